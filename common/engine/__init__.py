"""The Docker engine: clients, builds, images and what is in them, containers of ours and their removal."""
