"""What a base holds: dpkg status, Pythons, libc."""
