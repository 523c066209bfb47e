"""The engine: capture a model as a flat list of TensorFlow ops, and run that list again under a rule table."""
