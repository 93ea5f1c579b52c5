"""What is missing in an account for Meshift to work: each check reads, none changes anything."""
