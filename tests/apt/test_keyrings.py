"""The shipped keys are those of the distributions: a changed file is a reviewed change."""

from __future__ import annotations

from pysequoia.packet import PacketPile, Tag

from imagelock.fetch.debian.keyrings import certificates, vendor_keyring

FINGERPRINTS = {
    "debian": {
        "04B54C3CDCA79751B16BC6B5225629DF75B188BD": "Archive Automatic (13/trixie)",
        "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0": "Security Archive Automatic (12/bookworm)",
        "1F89983E0081FDE018F3CC9673A4F27B8DD47936": "Archive Automatic (11/bullseye)",
        "41587F7DB8C774BCCF131416762F67A0B2C39DE4": "Stable Release (13/trixie)",
        "4D64FEC119C2029067D6E791F8D2585B8783D481": "Stable Release (12/bookworm)",
        "5E04A1E3223A19A20706E20F9904613D4CCE68C6": "Security Archive Automatic (13/trixie)",
        "A4285295FC7B1A81600062A9605C66F00D6C9793": "Stable Release (11/bullseye)",
        "AC530D520F2F3269F5E98313A48449044AAD5C5D": "Security Archive Automatic (11/bullseye)",
        "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8": "Archive Automatic (12/bookworm)",
    },
    "ubuntu": {
        "843938DF228D22F7B3742BC0D94AA3F0EFE21092": "CD Image Automatic (2012)",
        "F6ECB3762474EDA9D21B7022871920D1991BC93C": "Archive Automatic (2018)",
    },
}


def test_fingerprints() -> None:
    for vendor, wanted in FINGERPRINTS.items():
        found = {cert.fingerprint.upper() for cert in certificates(vendor_keyring(vendor))}
        assert found == set(wanted)


def test_only_public_keys_are_shipped() -> None:
    for vendor in FINGERPRINTS:
        packets = list(PacketPile.from_bytes(vendor_keyring(vendor)))
        assert Tag.PublicKey in [packet.tag for packet in packets]
        assert not any(packet.tag in (Tag.SecretKey, Tag.SecretSubkey) for packet in packets)
