"""{{project}}: a convolutional network that learns handwritten digits without collecting them."""
