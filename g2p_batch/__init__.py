"""Word lists into pronunciation lexicons, at the speed of the hardware."""
