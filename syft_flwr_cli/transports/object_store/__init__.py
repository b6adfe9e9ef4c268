"""The transport over an object store: S3 and compatible services, Google Cloud Storage, Azure."""
