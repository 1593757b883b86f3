int martlet_placeholder(void) { return 0; }
