"""Growth (裂变营销): what customers do for the shop and for each other."""
