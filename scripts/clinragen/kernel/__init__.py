"""What every step shares and what can not change the content of an output."""
