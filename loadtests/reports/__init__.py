"""Tables and sentences made from summaries, in one pure module per experiment."""
