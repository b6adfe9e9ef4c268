"""{{project}}: a small neural network that learns handwritten digits without collecting them."""
