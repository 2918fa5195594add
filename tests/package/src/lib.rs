//! Packs the npm package and loads it wherever people load it.
