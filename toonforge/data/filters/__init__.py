"""Picture filters: cartoons of photographs, cartoons with blurred edges, and the batch fields that they make."""
