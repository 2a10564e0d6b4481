"""What is wrong with a deployment, found by looking and by trying. One check is one function that returns findings."""
