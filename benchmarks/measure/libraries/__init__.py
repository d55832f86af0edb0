"""The CLAP libraries themselves: random checkpoints as users have them, and each library's own calls on them."""
