"""What developers run by hand: none of it is deployed."""
