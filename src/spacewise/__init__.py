"""Put a loss on any space of a network, learn under any regime, and measure what survives the shift."""

__version__ = "0.1.0"
