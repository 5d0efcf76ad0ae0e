"""What the visits of each experiment amount to: its summary, figures, tables and sentences. Pure."""
