"""A synthetic corpus of emotional speech, made on the user's machine by rule; every recording is artificial."""
