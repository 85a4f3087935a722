"""What the demo shows of own events: tastings booked in the tea room, described, typed, and a till
that sends one wrong."""

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from siyu.kernel import clock

if TYPE_CHECKING:
    from siyu.app.demo_desk import Desk

BOOKED = "custom.tasting_booked"
TEAS = ("龙井", "铁观音", "白毫银针", "普洱")


async def book_tastings(desk: "Desk") -> None:
    """Through the console's own API; a second time changes nothing but volumes."""

    async def send(bookings: int, **props: object) -> None:
        now = clock.now()
        events = [
            {
                "name": BOOKED,
                "at": (now - timedelta(hours=5 * number + 1)).isoformat(),
                "person_no": number % 9 + 1,
                "props": {"tea": TEAS[number % 3], "seats": number % 3 + 1, **props},
            }
            for number in range(bookings)
        ]
        await desk.ask("POST", "/events", {"batch_key": str(uuid4()), "events": events})

    await send(24)
    words = {"title_zh": "预约品茶", "title_en": "Tasting booked", "is_hidden": False}
    await desk.ask("PUT", f"/events/{BOOKED}", words | {"is_blocked": False})
    seats = {"title_zh": "座位数", "title_en": "Seats", "is_hidden": False, "declared": "integer"}
    await desk.ask("PUT", f"/events/{BOOKED}/properties/seats", seats)
    await send(3, seats="two")
