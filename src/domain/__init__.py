"""What LinguaLink means by its words: pure rules, no input or output, standard library only."""
