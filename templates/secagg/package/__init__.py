"""{{project}}: logistic regression whose aggregator sees sums alone."""
