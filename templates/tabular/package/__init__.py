"""{{project}}: logistic regression over tables that stay where they are."""
