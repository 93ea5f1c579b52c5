"""Who has a mesh that is shared, what that would be without some of them, and sharing inside an organization."""
