// placeholder while the floor is being built
