"""SyftBox as a transport: the folder transport inside the datasites that its daemon keeps in sync."""
