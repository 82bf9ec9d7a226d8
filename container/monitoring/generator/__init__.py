"""What makes the generated files of this directory: two dashboards and the operator's manifest."""
