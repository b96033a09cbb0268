"""GhostCut, written from its fact sheet: text removal by inpainting, with protected areas."""
