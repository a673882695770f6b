"""What one batch shows of a model: tables and pictures; nothing that changes a model."""
