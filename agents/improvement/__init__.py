"""Making the policy better than its data without touching the world: everything here happens in imagination."""
