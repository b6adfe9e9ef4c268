"""{{project}}: statistics over the rows of many owners, of which only counts and sums ever leave."""
