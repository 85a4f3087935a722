"""Verbs of reviews: what authors do, what staff do, pictures, settings."""

from siyu.commerce.reviews.queries import get_figures, list_reusable
from siyu.commerce.reviews.service.deciding import (
    answer_review,
    approve_part,
    hide_part,
    offer_review,
)
from siyu.commerce.reviews.service.pictures import (
    drop_files,
    forget_pictures,
    get_picture,
    keep_picture,
    list_pictures,
    picture_file,
    prepare_picture,
)
from siyu.commerce.reviews.service.piece_store import admit_piece, withdraw_piece
from siyu.commerce.reviews.service.saying import (
    add_to_review,
    allow_reuse,
    edit_review,
    forget_member,
    list_waiting,
    submit_review,
    vote,
)
from siyu.commerce.reviews.service.settings import load_settings, save_settings

__all__ = [
    "add_to_review",
    "admit_piece",
    "allow_reuse",
    "answer_review",
    "approve_part",
    "drop_files",
    "edit_review",
    "forget_member",
    "forget_pictures",
    "get_figures",
    "get_picture",
    "hide_part",
    "keep_picture",
    "list_pictures",
    "list_reusable",
    "list_waiting",
    "load_settings",
    "offer_review",
    "picture_file",
    "prepare_picture",
    "save_settings",
    "submit_review",
    "vote",
    "withdraw_piece",
]
