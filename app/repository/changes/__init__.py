"""Changes: triggers that write down which regions of which tables changed, and who reads that."""
