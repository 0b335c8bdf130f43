"""The secrets of an instance: born encrypted, kept in its inventory, never shown."""
