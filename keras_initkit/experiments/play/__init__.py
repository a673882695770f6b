"""`keras-initkit play`: real Keras trainings, chosen and watched in the browser."""
