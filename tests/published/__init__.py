"""What a desktop publishes for containers that have neither vizproxy nor VirtualGL."""
