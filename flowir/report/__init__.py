"""One page that shows a front: what there is to choose from, why, and what is only assumed."""
