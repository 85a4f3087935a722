"""行为采集与分析: what customers see, tap and share becomes events; questions about them, answers.

Nothing is kept without consent: a member's own decision counts, or, for a visitor without account,
the version of the text they agreed to. A batch is taken once under its key; a bad event is set
aside with its reason and never harms its neighbours (the events are `behaviour.*` in the
warehouse). A question (funnel, retention, paths, distribution, composition, trend, heat map) is
one JSON value: asked, kept on a board, carried in a link; its answer comes with its definition.
Owns boards, annotations and the daily digest; emits nothing. Called by the shop front end and the
console.
"""
