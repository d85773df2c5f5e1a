"""What is known of MiniGrid's levels: numbers, maps, lines of sight and shortest paths over poses."""
