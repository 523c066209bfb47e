"""Attribution methods: frozen dataclasses whose fields are their options and whose call is the method."""
