"""用户管理中心: who a shop's customers are, and what they agreed to (consents > members)."""
