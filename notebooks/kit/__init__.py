"""What a teacher needs: sheets for nbgrader, slides; they stand over lib, as the notebooks do."""
