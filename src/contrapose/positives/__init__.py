"""What happens to the second view before scoring."""
