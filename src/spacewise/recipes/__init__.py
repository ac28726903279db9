"""The papers' tables and figures, by name."""

from spacewise.recipes import dual_loss, eo_sar, layers, losses, semi
from spacewise.recipes.recipe import Asked, Recipe, places, plan, reproduce

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        dual_loss.TABLE2,
        dual_loss.TABLE3,
        dual_loss.TABLE4,
        dual_loss.TABLE5,
        dual_loss.TABLE6,
        dual_loss.POOLING,
        dual_loss.TABLE7,
        dual_loss.FIGURE10,
        *layers.STUDIES,
        *losses.STUDIES,
        *eo_sar.STUDIES,
        *semi.STUDIES,
    )
}

__all__ = ["RECIPES", "Asked", "Recipe", "places", "plan", "reproduce"]
