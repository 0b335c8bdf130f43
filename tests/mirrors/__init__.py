"""Small mirrors of what a build needs (git, gems, npm), filled with an application of a few files."""
