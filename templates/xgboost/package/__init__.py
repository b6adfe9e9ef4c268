"""{{project}}: gradient boosted trees over tables that stay where they are."""
