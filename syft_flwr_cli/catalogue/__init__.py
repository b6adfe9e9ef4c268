"""What participants offer each other: projects with the decisions about them, and data sets."""
