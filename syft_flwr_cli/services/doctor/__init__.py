"""What a machine lacks for taking part: checks by subject, each a sentence with its remedy. They print nothing."""
