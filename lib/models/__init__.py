"""Networks only: each readable in one sitting, axes named."""
