"""The paper's rivals: objectives that add predictions of their own to the next-token losses, on the same trunk."""
