"""What apt would install, decided from the signed indexes."""
