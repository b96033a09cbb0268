"""One flow per deployment, plus the subflow. Each reads from top to bottom in the words of the requirements."""
